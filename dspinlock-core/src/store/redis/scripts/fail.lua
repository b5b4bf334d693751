-- Removes the caller's BLOCKED record and leaves a note for those who waited for it.
-- KEYS: record, error; ARGV: tag, note, its life ms
local record = redis.pcall('GET', KEYS[1])
if record == ARGV[1] .. '0' then
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
  return redis.call('DEL', KEYS[1])
end
return 0
