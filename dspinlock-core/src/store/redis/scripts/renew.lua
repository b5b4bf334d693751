-- Extends the records that are still BLOCKED by their tags.
-- KEYS: records; ARGV: tag, lease ms for each of them
local renewed = {}
for i, key in ipairs(KEYS) do
  local tag, lease = ARGV[2 * i - 1], ARGV[2 * i]
  renewed[i] = 0
  local record = redis.pcall('GETRANGE', key, '0', '1024')
  if record == tag .. '0' then
    -- Never shorter: of two renewals the one that was overtaken may come last.
    if redis.call('PTTL', key) < tonumber(lease) then
      redis.call('PEXPIRE', key, lease)
    end
    renewed[i] = 1
  elseif record == '' and redis.call('EXISTS', key) == 0 then
    -- Changes nothing. A replica refuses it: that the record is gone is for a primary to say.
    redis.call('PEXPIRE', key, lease)
  end
end
return renewed
