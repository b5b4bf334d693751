-- Puts a new value beside a new COMPUTED record if the old one is still exactly what was seen.
-- KEYS: record, fence, value, refresh; ARGV: tag, expire ms, fence life ms, value, its life ms, record seen
local mark = redis.pcall('GET', KEYS[4])
if mark == ARGV[1] .. '0' then
  redis.call('DEL', KEYS[4])
end
local record = redis.pcall('GET', KEYS[1])
if type(record) == 'table' and record.err then
  return string.find(record.err, 'WRONGTYPE', 1, true) and {'type', redis.call('TYPE', KEYS[1]).ok} or record
end
if record == ARGV[1] .. '1' then
  return {'computed'}
end
if record == ARGV[6] then
  redis.call('SET', KEYS[1], ARGV[1] .. '1', 'PX', ARGV[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
  redis.call('SET', KEYS[3], ARGV[4], 'PX', ARGV[5])
  return {'done', 0}
end
if not record then
  return {'gone'}
end
return {'held', record}
