-- Puts a new value beside a new COMPUTED record if the old one is still exactly what was seen.
-- KEYS: record, fence, value, refresh; where the value was sent ahead: its present key
-- ARGV: tag, expire ms, fence life ms, value or the length of one that was sent ahead, its life ms, record seen
local tag = ARGV[1]
local record = redis.pcall('GETRANGE', KEYS[1], 0, 1024)
-- The value first: what is refused, or has gone, changes nothing.
local refused
if record == ARGV[6] and record ~= tag .. '1' then
  if not KEYS[5] then
    local set = redis.pcall('SET', KEYS[3], ARGV[4], 'PX', ARGV[5])
    refused = set.err
  elseif redis.pcall('STRLEN', KEYS[5]) == tonumber(ARGV[4]) then
    redis.pcall('PEXPIRE', KEYS[5], ARGV[5])
    local moved = redis.pcall('RENAME', KEYS[5], KEYS[3])
    refused = moved.err
  else
    refused = 'a part of what was sent ahead has gone'
  end
  if not refused then
    redis.call('PEXPIRE', KEYS[2], ARGV[3])
    redis.call('SET', KEYS[1], tag .. '1', 'PX', ARGV[2])
  end
elseif KEYS[5] then
  redis.pcall('DEL', KEYS[5])
end
if redis.pcall('GETRANGE', KEYS[4], 0, 1024) == tag .. '0' then
  redis.call('DEL', KEYS[4])
end
if refused then
  if KEYS[5] then
    redis.pcall('DEL', KEYS[5])
  end
  return {'refused', refused}
end
if type(record) == 'table' then
  return string.find(record.err, 'WRONGTYPE', 1, true) and {'type', redis.call('TYPE', KEYS[1]).ok} or record
end
if record == tag .. '1' then
  return {'computed'}
end
if record == ARGV[6] then
  return {'done', 0}
end
if record == '' and redis.call('EXISTS', KEYS[1]) == 0 then
  return {'gone'}
end
if #record > 1024 then
  return {'type', 'string of ' .. redis.call('STRLEN', KEYS[1]) .. ' bytes'}
end
return {'held', record}
