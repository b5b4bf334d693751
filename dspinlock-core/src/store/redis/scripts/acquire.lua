-- Takes a free key, one whose COMPUTED record the mode re-locks, or one that still holds exactly the record that the caller saw.
-- A caller that wants the value gets its beginning, or the note of a failure.
-- Nothing is read that may be longer than what belongs there, and what was written is undone where a later command fails.
-- `waited_for` and what follows, and the keys from the value's on, are there only for callers that want the value.
-- The lease, the fence's life and `life_at_most` are in milliseconds, `not_after` in microseconds; '' and '-1' stand for none.
-- `relockable` is a pattern, `replaceable` and `waited_for` are records, `head` is a number of bytes, and `wanted` is the line
-- of the value's label.
local record_key, fence_key, wait_key, value_key, error_key = unpack(KEYS)
local tag, lease, fence_life, not_after, relockable, replaceable, life_at_most, reserve, process,
  waited_for, head, wanted = unpack(ARGV)
local record = redis.pcall('GETRANGE', record_key, 0, 1024)
if type(record) == 'table' then
  return string.find(record.err, 'WRONGTYPE', 1, true) and {'type', redis.call('TYPE', record_key).ok} or record
end
if record == '' and redis.call('EXISTS', record_key) == 0 then
  record = false
end
if record and #record > 1024 then
  return {'type', 'string of ' .. redis.call('STRLEN', record_key) .. ' bytes'}
end
if record == tag .. '1' then
  return {'spent'}
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local text = string.format('%.0f', now)
-- The last token, or nil and the reply about what stands in its place. A number that no later token could follow exactly is no
-- token.
local function last_fence()
  local last = redis.pcall('GETRANGE', fence_key, 0, 31)
  if type(last) == 'table' then
    return nil, {'fence', redis.call('TYPE', fence_key).ok}
  end
  if last == '' and redis.call('EXISTS', fence_key) == 0 then
    return 0
  end
  if not (string.find(last, '^%d+$') and tonumber(last) < 9e15) then
    return nil, {'fence', 'string'}
  end
  return tonumber(last)
end
-- The reply that grants the record with the next token, or the server's refusal of that token.
local function grant(last)
  local fence = math.max(last + 1, now)
  local set = redis.pcall('SET', fence_key, string.format('%.0f', fence + reserve), 'PX', fence_life)
  if set.err then
    return set
  end
  return {'granted', string.format('%.0f', fence), text}
end
if record == tag .. '0' then
  -- A repeat by the same turn: the reply to the first request was lost. Its lease goes on from there, as its holder counts it:
  -- a turn that nobody waits for any more must not live longer. It gets a token of its own, since the mark of a caller that
  -- refreshes ahead may have got one in between.
  local last, strange = last_fence()
  return strange or grant(last)
end
if now > tonumber(not_after) then
  return {'late', text}
end
local computed = record and string.sub(record, -1) == '1'
if value_key and not computed then
  -- The note of a turn that failed has lines: its record, until when the failure is cached for all callers, the label of its
  -- value, and the rest.
  local note = redis.pcall('GETRANGE', error_key, 0, 8191)
  if type(note) == 'string' then
    local turn, till, label = string.match(note, '^([^\n]*)\n(%d+)\n([^\n]*)\n')
    if turn and label == wanted and (turn == waited_for or (not record and now < tonumber(till))) then
      return {'failed', note, text}
    end
  end
end
if record then
  local ours = relockable ~= '' and string.find(record, relockable)
  local seen = replaceable ~= '' and record == replaceable
  local life
  if not ours then
    life = redis.call('PTTL', record_key)
  end
  if life and seen and life_at_most ~= '-1' then
    seen = life >= 0 and life <= tonumber(life_at_most)
  end
  if not ours and not seen then
    -- If that is refused, or another type stands there, the waiter just looks again by its own timers.
    if process ~= '' and type(redis.pcall('SADD', wait_key, process)) == 'number' then
      -- A waiter looks again when the record is renewed.
      redis.call('PEXPIRE', wait_key, math.max(1000, life))
    end
    if not (value_key and computed) then
      return {'held', record, life, text}
    end
    local value = redis.pcall('GETRANGE', value_key, 0, head)
    if type(value) ~= 'string' or value == '' then
      value = false
    end
    return {'held', record, life, text, value}
  end
end
local last, strange = last_fence()
if strange then
  return strange
end
redis.call('SET', record_key, tag .. '0', 'PX', lease)
local reply = grant(last)
if reply.err then
  -- What this request wrote is undone. A repeat has written nothing: its turn may be under way.
  redis.call('DEL', record_key)
end
return reply
