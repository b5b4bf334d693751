-- Extends the records that are still BLOCKED by their tags.
-- KEYS: record, fence, record, fence, ...; ARGV: tag, lease ms, fence life ms for each pair
local renewed = {}
for i = 1, #KEYS, 2 do
  local at = (i - 1) / 2 * 3
  local record = redis.pcall('GETRANGE', KEYS[i], 0, 1024)
  if record == ARGV[at + 1] .. '0' then
    -- Never shorter: of two renewals the one that was overtaken may come last.
    if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[at + 2]) then
      redis.call('PEXPIRE', KEYS[i], ARGV[at + 2])
    end
    redis.call('PEXPIRE', KEYS[i + 1], ARGV[at + 3])
    renewed[#renewed + 1] = 1
  else
    renewed[#renewed + 1] = 0
  end
end
return renewed
