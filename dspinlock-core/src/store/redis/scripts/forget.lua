-- Removes a lock's record, whoever holds it, and its value. Anything but a record stays.
-- KEYS: record, value, error; ARGV: pattern of the separator, two patterns of a record
local record = redis.pcall('GETRANGE', KEYS[1], '0', '1024')
if type(record) == 'table' then
  return string.find(record.err, 'WRONGTYPE', 1, true) and {'type', redis.call('TYPE', KEYS[1]).ok} or record
end
if record ~= '' or redis.call('EXISTS', KEYS[1]) == 1 then
  if #record > 1024 then
    return {'type', 'string of ' .. redis.call('STRLEN', KEYS[1]) .. ' bytes'}
  end
  local _, separators = string.gsub(record, ARGV[1], '')
  local is_record = string.find(record, ARGV[2]) or string.find(record, ARGV[3])
  if separators ~= 2 or not is_record then
    return {'foreign', record}
  end
end
redis.call('DEL', KEYS[2], KEYS[3])
return {'forgotten', redis.call('DEL', KEYS[1])}
