-- Removes the caller's BLOCKED record, or marks it as COMPUTED, with its value if there is one.
-- KEYS: record; to count the processes that wait: wait; with a value: value, error; with one that was sent ahead: where that stands.
-- ARGV: tag, process; to mark: life ms; with a value: the value or the length of the one that was sent ahead, its life ms.
local record = redis.pcall('GETRANGE', KEYS[1], '0', '1024')
if record == ARGV[1] .. '0' then
  -- The value first: if it is refused, or has gone, the lock is given back all the same.
  local refused
  if KEYS[5] then
    -- Another length: a copy of its first piece came late, or it has expired.
    local length = redis.pcall('STRLEN', KEYS[5])
    if length == tonumber(ARGV[4]) then
      redis.pcall('PEXPIRE', KEYS[5], ARGV[5])
      local moved = redis.pcall('RENAME', KEYS[5], KEYS[3])
      refused = moved.err and 'RENAME: ' .. moved.err
    else
      refused = type(length) == 'table' and 'STRLEN: ' .. length.err or 'a part of what was sent ahead has gone'
    end
    if refused then
      redis.pcall('DEL', KEYS[5])
    end
  elseif KEYS[3] then
    local set = redis.pcall('SET', KEYS[3], ARGV[4], 'PX', ARGV[5])
    refused = set.err and 'SET: ' .. set.err
  end
  if refused or not ARGV[3] then
    redis.call('DEL', KEYS[1])
  else
    if KEYS[4] then
      redis.pcall('DEL', KEYS[4])
    end
    local set = redis.pcall('SET', KEYS[1], ARGV[1] .. '1', 'PX', ARGV[3])
    if set.err then
      -- A server without memory refuses the first command of a script that takes some: this one takes none.
      redis.call('PEXPIRE', KEYS[1], ARGV[3])
      redis.call('SET', KEYS[1], ARGV[1] .. '1', 'PX', ARGV[3])
    end
  end
  -- Nothing fails from here on: the record is written.
  local others = KEYS[2] and redis.pcall('SCARD', KEYS[2]) or 0
  if others ~= 0 then
    if type(others) == 'number' then
      local ours = redis.pcall('SREM', KEYS[2], ARGV[2])
      others = type(ours) == 'number' and others - ours or 0
      redis.pcall('DEL', KEYS[2])
    else
      others = 0
    end
  end
  if refused then
    return {'refused', refused}
  end
  return others
end
if type(record) == 'table' then
  return string.find(record.err, 'WRONGTYPE', 1, true) and {'type', redis.call('TYPE', KEYS[1]).ok} or record
end
if KEYS[5] then
  redis.pcall('DEL', KEYS[5])
end
if record == ARGV[1] .. '1' then
  return {'computed'}
end
if record == '' and redis.call('EXISTS', KEYS[1]) == 0 then
  -- Changes nothing. A replica refuses it: that the record is gone is for a primary to say.
  redis.call('DEL', KEYS[1])
  return {'gone'}
end
if #record > 1024 then
  return {'type', 'string of ' .. redis.call('STRLEN', KEYS[1]) .. ' bytes'}
end
return {'held', record}
