-- Shows a record, its remaining life, the last fencing token and, where asked, what was computed, changing nothing.
-- KEYS: record, fence; to see what was computed: value
local record = redis.pcall('GET', KEYS[1])
if type(record) == 'table' and record.err then
  return string.find(record.err, 'WRONGTYPE', 1, true) and {'type', redis.call('TYPE', KEYS[1]).ok} or record
end
if not record then
  return {'free'}
end
local value = false
if KEYS[3] and string.sub(record, -1) == '1' then
  value = redis.pcall('GET', KEYS[3])
  if type(value) ~= 'string' then
    value = false
  end
end
local fence = redis.pcall('GET', KEYS[2])
if type(fence) ~= 'string' then
  fence = false
end
return {'held', record, redis.call('PTTL', KEYS[1]), fence, value}
