-- Marks the caller's BLOCKED record as COMPUTED, with its value where there is one, or removes it.
-- KEYS: record, fence, wait; with a value: value, error; where that was sent ahead: its present key
-- ARGV: tag, expire ms or '0', fence life ms, process; with a value: the value, or the length of one that was sent ahead, and
--   its life ms
local record = redis.pcall('GETRANGE', KEYS[1], 0, 1024)
if type(record) == 'table' then
  return string.find(record.err, 'WRONGTYPE', 1, true) and {'type', redis.call('TYPE', KEYS[1]).ok} or record
end
if record == ARGV[1] .. '0' then
  -- The value first: where it is refused, or has gone, the lock is given back all the same.
  local refused
  if KEYS[6] then
    -- Another length: a copy of its first piece was late, or its time is over.
    if redis.pcall('STRLEN', KEYS[6]) == tonumber(ARGV[5]) then
      redis.pcall('PEXPIRE', KEYS[6], ARGV[6])
      local moved = redis.pcall('RENAME', KEYS[6], KEYS[4])
      refused = moved.err
    else
      refused = 'a part of what was sent ahead has gone'
    end
    if refused then
      redis.pcall('DEL', KEYS[6])
    end
  elseif KEYS[4] then
    local set = redis.pcall('SET', KEYS[4], ARGV[5], 'PX', ARGV[6])
    refused = set.err
  end
  if refused or ARGV[2] == '0' then
    redis.call('DEL', KEYS[1])
  else
    if KEYS[5] then
      redis.pcall('DEL', KEYS[5])
    end
    -- A server without memory refuses a script its first command that takes some: this one takes none.
    redis.call('PEXPIRE', KEYS[2], ARGV[3])
    redis.call('SET', KEYS[1], ARGV[1] .. '1', 'PX', ARGV[2])
  end
  -- Nothing fails from here on: the record is written.
  local others = redis.pcall('SCARD', KEYS[3])
  if type(others) ~= 'number' then
    others = 0
  elseif others > 0 then
    local ours = redis.pcall('SREM', KEYS[3], ARGV[4])
    others = type(ours) == 'number' and others - ours or 0
    redis.pcall('DEL', KEYS[3])
  end
  if refused then
    return {'refused', refused, others}
  end
  return {'done', others}
end
if KEYS[6] then
  redis.pcall('DEL', KEYS[6])
end
if record == ARGV[1] .. '1' then
  return {'computed'}
end
if record == '' and redis.call('EXISTS', KEYS[1]) == 0 then
  return {'gone'}
end
if #record > 1024 then
  return {'type', 'string of ' .. redis.call('STRLEN', KEYS[1]) .. ' bytes'}
end
return {'held', record}
