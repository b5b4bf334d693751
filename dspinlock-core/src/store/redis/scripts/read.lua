-- Reads a record, its remaining life and, if its key is given, the beginning of the value.
-- KEYS: record; optional: value; ARGV, with the value: how many bytes of it
local record = redis.pcall('GETRANGE', KEYS[1], '0', '1024')
if type(record) == 'table' then
  return string.find(record.err, 'WRONGTYPE', 1, true) and {'type', redis.call('TYPE', KEYS[1]).ok} or record
end
if record == '' and redis.call('EXISTS', KEYS[1]) == 0 then
  return {'free'}
end
if #record > 1024 then
  return {'type', 'string of ' .. redis.call('STRLEN', KEYS[1]) .. ' bytes'}
end
local value = false
if KEYS[2] and string.sub(record, -1) == '1' then
  value = redis.pcall('GETRANGE', KEYS[2], '0', ARGV[1])
  if type(value) ~= 'string' or value == '' then
    value = false
  end
end
return {'held', record, redis.call('PTTL', KEYS[1]), value}
