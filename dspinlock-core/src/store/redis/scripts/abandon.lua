-- Removes the caller's BLOCKED record: the work failed, or the caller has gone.
-- KEYS: record; ARGV: tag
local record = redis.pcall('GET', KEYS[1])
if record == ARGV[1] .. '0' then
  return redis.call('DEL', KEYS[1])
end
return 0
