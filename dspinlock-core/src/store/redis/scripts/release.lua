-- Marks the caller's BLOCKED record as COMPUTED, with its value where there is one, or removes it.
-- KEYS: record, fence, wait; with a value: value, error
-- ARGV: tag, expire ms or '0', fence life ms, process; with a value: the value, its life ms
local record = redis.pcall('GET', KEYS[1])
if type(record) == 'table' and record.err then
  return string.find(record.err, 'WRONGTYPE', 1, true) and {'type', redis.call('TYPE', KEYS[1]).ok} or record
end
if record == ARGV[1] .. '0' then
  if ARGV[2] == '0' then
    redis.call('DEL', KEYS[1])
  else
    redis.call('SET', KEYS[1], ARGV[1] .. '1', 'PX', ARGV[2])
    redis.call('PEXPIRE', KEYS[2], ARGV[3])
    if KEYS[4] then
      redis.call('SET', KEYS[4], ARGV[5], 'PX', ARGV[6])
      redis.call('DEL', KEYS[5])
    end
  end
  local others = 0
  if redis.call('EXISTS', KEYS[3]) == 1 then
    redis.call('SREM', KEYS[3], ARGV[4])
    others = redis.call('SCARD', KEYS[3])
    redis.call('DEL', KEYS[3])
  end
  return {'done', others}
end
if record == ARGV[1] .. '1' then
  return {'computed'}
end
if not record then
  return {'gone'}
end
return {'held', record}
