-- Marks the caller's BLOCKED record as COMPUTED, with its value if there is one, or removes it.
-- The value and its key, and the error's key, are there only with a value. A value that was sent ahead stands at `ahead_key`, and
-- `value` is its length. Lives are in milliseconds; an `expire` of '0' removes the record.
local record_key, fence_key, wait_key, value_key, error_key, ahead_key = unpack(KEYS)
local tag, expire, fence_life, process, value, value_life = unpack(ARGV)
local record = redis.pcall('GETRANGE', record_key, 0, 1024)
if type(record) == 'table' then
  return string.find(record.err, 'WRONGTYPE', 1, true) and {'type', redis.call('TYPE', record_key).ok} or record
end
if record == tag .. '0' then
  -- The value first: if it is refused, or has gone, the lock is given back all the same.
  local refused
  if ahead_key then
    -- Another length: a copy of its first piece came late, or it has expired.
    if redis.pcall('STRLEN', ahead_key) == tonumber(value) then
      redis.pcall('PEXPIRE', ahead_key, value_life)
      local moved = redis.pcall('RENAME', ahead_key, value_key)
      refused = moved.err
    else
      refused = 'a part of what was sent ahead has gone'
    end
    if refused then
      redis.pcall('DEL', ahead_key)
    end
  elseif value_key then
    local set = redis.pcall('SET', value_key, value, 'PX', value_life)
    refused = set.err
  end
  if refused or expire == '0' then
    redis.call('DEL', record_key)
  else
    if error_key then
      redis.pcall('DEL', error_key)
    end
    -- A server without memory refuses the first command of a script that takes some: this one takes none.
    redis.call('PEXPIRE', fence_key, fence_life)
    redis.call('SET', record_key, tag .. '1', 'PX', expire)
  end
  -- Nothing fails from here on: the record is written.
  local others = redis.pcall('SCARD', wait_key)
  if type(others) ~= 'number' then
    others = 0
  elseif others > 0 then
    local ours = redis.pcall('SREM', wait_key, process)
    others = type(ours) == 'number' and others - ours or 0
    redis.pcall('DEL', wait_key)
  end
  if refused then
    return {'refused', refused, others}
  end
  return {'done', others}
end
if ahead_key then
  redis.pcall('DEL', ahead_key)
end
if record == tag .. '1' then
  return {'computed'}
end
if record == '' and redis.call('EXISTS', record_key) == 0 then
  return {'gone'}
end
if #record > 1024 then
  return {'type', 'string of ' .. redis.call('STRLEN', record_key) .. ' bytes'}
end
return {'held', record}
