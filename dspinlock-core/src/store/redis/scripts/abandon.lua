-- Removes the caller's BLOCKED record: the work failed, or the caller has gone.
-- KEYS: record; ARGV: tag
if redis.pcall('GETRANGE', KEYS[1], 0, 1024) == ARGV[1] .. '0' then
  return redis.call('DEL', KEYS[1])
end
return 0
