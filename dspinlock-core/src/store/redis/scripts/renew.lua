-- Extends the records that are still BLOCKED by their tags.
-- KEYS: records; ARGV: tag, lease ms for each of them
local renewed = {}
for i, key in ipairs(KEYS) do
  local tag, lease = ARGV[2 * i - 1], ARGV[2 * i]
  renewed[i] = 0
  if redis.pcall('GETRANGE', key, '0', '1024') == tag .. '0' then
    -- Never shorter: of two renewals the one that was overtaken may come last.
    if redis.call('PTTL', key) < tonumber(lease) then
      redis.call('PEXPIRE', key, lease)
    end
    renewed[i] = 1
  end
end
return renewed
