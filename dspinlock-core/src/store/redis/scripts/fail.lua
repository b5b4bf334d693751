-- Removes the caller's BLOCKED record and leaves a note for its waiters.
-- KEYS: record, error; ARGV: tag, note, its life ms
local record = redis.pcall('GETRANGE', KEYS[1], '0', '1024')
if record == ARGV[1] .. '0' then
  -- First, since a server without memory refuses the first command of a script that takes some.
  redis.call('DEL', KEYS[1])
  redis.pcall('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
  return 1
end
if record == '' and redis.call('EXISTS', KEYS[1]) == 0 then
  -- Changes nothing. A replica refuses it: that the record is gone is for a primary to say.
  redis.call('DEL', KEYS[1])
end
return 0
