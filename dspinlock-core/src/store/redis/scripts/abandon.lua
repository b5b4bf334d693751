-- Removes the caller's BLOCKED record: the work failed, or the caller is gone.
-- KEYS: record; ARGV: tag
local record = redis.pcall('GETRANGE', KEYS[1], '0', '1024')
if record == ARGV[1] .. '0' then
  return redis.call('DEL', KEYS[1])
end
if record == '' and redis.call('EXISTS', KEYS[1]) == 0 then
  -- Changes nothing. A replica refuses it: that the record is gone is for a primary to say.
  redis.call('DEL', KEYS[1])
end
return 0
