-- Removes a lock's record, whoever holds it, and its value. What is not a record stays.
-- KEYS: record, value, error; ARGV: pattern of a record
local record = redis.pcall('GET', KEYS[1])
if type(record) == 'table' and record.err then
  return {'type', redis.call('TYPE', KEYS[1]).ok}
end
if record and not string.find(record, ARGV[1]) then
  return {'foreign', record}
end
redis.call('DEL', KEYS[2], KEYS[3])
return {'forgotten', redis.call('DEL', KEYS[1])}
