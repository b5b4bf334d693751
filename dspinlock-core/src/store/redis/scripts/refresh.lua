-- Puts a new value beside a new COMPUTED record if the old record is still exactly the one that was seen.
-- A value that was sent ahead stands at `ahead_key`, and `value` is its length. Lives are in milliseconds.
local record_key, value_key, refresh_key, ahead_key = unpack(KEYS)
local tag, expire, value, value_life, seen = unpack(ARGV)
local record = redis.pcall('GETRANGE', record_key, '0', '1024')
-- The value first: if it is refused, or has gone, nothing changes.
local refused
if record == seen and record ~= tag .. '1' then
  if not ahead_key then
    local set = redis.pcall('SET', value_key, value, 'PX', value_life)
    refused = set.err and 'SET: ' .. set.err
  else
    local length = redis.pcall('STRLEN', ahead_key)
    if length == tonumber(value) then
      redis.pcall('PEXPIRE', ahead_key, value_life)
      local moved = redis.pcall('RENAME', ahead_key, value_key)
      refused = moved.err and 'RENAME: ' .. moved.err
    else
      refused = type(length) == 'table' and 'STRLEN: ' .. length.err or 'a part of what was sent ahead has gone'
    end
  end
  if not refused then
    redis.call('SET', record_key, tag .. '1', 'PX', expire)
  end
elseif ahead_key then
  redis.pcall('DEL', ahead_key)
end
if redis.pcall('GETRANGE', refresh_key, '0', '1024') == tag .. '0' then
  redis.call('DEL', refresh_key)
end
if refused then
  if ahead_key then
    redis.pcall('DEL', ahead_key)
  end
  return {'refused', refused}
end
if type(record) == 'table' then
  return string.find(record.err, 'WRONGTYPE', 1, true) and {'type', redis.call('TYPE', record_key).ok} or record
end
if record == tag .. '1' then
  return {'computed'}
end
if record == seen then
  return 0
end
if record == '' and redis.call('EXISTS', record_key) == 0 then
  return {'gone'}
end
if #record > 1024 then
  return {'type', 'string of ' .. redis.call('STRLEN', record_key) .. ' bytes'}
end
return {'held', record}
