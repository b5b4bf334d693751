-- Takes a free key, one whose COMPUTED record the mode re-locks, or one that still holds exactly the record that the caller saw.
-- KEYS: record, fence; to wait or to fetch: wait; to fetch: value, error.
-- ARGV: the BLOCKED record to write, lease ms, `not_after` µs. The others are '' where they say nothing, and left out at the end:
-- the process to note as waiting, how many tokens to reserve, '1' if the mode leaves COMPUTED alone, the record to replace, the
-- life in ms that it may have at most; to fetch: the BLOCKED record that was waited for, the line of the value's label, how many
-- bytes of the value.
local time = redis.call('TIME')
local micros = time[2]
while #micros < 6 do
  micros = '0' .. micros
end
local now = time[1] .. micros
local late = now - ARGV[3] > 0
-- The common case: the key is free. This write is undone if there is no token.
local taken = not late and not KEYS[4] and redis.pcall('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
local replaces = false
-- What a replica has may be old.
if taken and taken.err and string.find(taken.err, 'READONLY', 1, true) then
  return taken
end
if not (taken and taken.ok) then
  taken = false
  -- Nothing is read that may be longer than what belongs there.
  local record = redis.pcall('GETRANGE', KEYS[1], '0', '1024')
  if type(record) == 'table' then
    return string.find(record.err, 'WRONGTYPE', 1, true) and {'type', redis.call('TYPE', KEYS[1]).ok} or record
  end
  if record == '' and redis.call('EXISTS', KEYS[1]) == 0 then
    record = false
  end
  if record and #record > 1024 then
    return {'type', 'string of ' .. redis.call('STRLEN', KEYS[1]) .. ' bytes'}
  end
  if record == string.sub(ARGV[1], 1, -2) .. '1' then
    return {'spent'}
  end
  -- The caller's own BLOCKED record means a repeat by the same turn: the reply to the first request was lost. Its lease goes on
  -- from there, as its holder counts it: a turn that nobody waits for any more must not live longer. It gets a token of its own,
  -- since another lock of the slot may have got one in between.
  if record ~= ARGV[1] then
    if late then
      return {'late', now}
    end
    local _, _, _, process, _, keeps, replaceable, life_at_most, waited_for, wanted, head = unpack(ARGV)
    local computed = record and string.sub(record, -1) == '1'
    if KEYS[4] and not computed then
      -- The note of a turn that failed has lines: its record, until when the failure is cached for all callers, the label of its
      -- value, and the rest.
      local note = redis.pcall('GETRANGE', KEYS[5], '0', '8191')
      if type(note) == 'string' then
        local turn, till, label = string.match(note, '^([^\n]*)\n(%d+)\n([^\n]*)\n')
        if turn and label == wanted and (turn == waited_for or (not record and tonumber(now) < tonumber(till))) then
          return {'failed', note, now}
        end
      end
    end
    if record then
      -- A COMPUTED record that is ours beyond doubt. Others are first shown to the client.
      local ours = keeps ~= '1' and string.find(record,
        '^[%x%-]+@[!-+.-~%-]*,%d%d%d%d%-[01]%d%-[0-3]%dT[0-2]%d:[0-5]%d:[0-5]%d%.%d%d%d%d%d%d%+00:00,1$')
      local life = not ours and redis.call('PTTL', KEYS[1])
      local seen = replaceable ~= '' and record == replaceable
      if life and seen and life_at_most and life_at_most ~= '' then
        seen = life >= 0 and life <= tonumber(life_at_most)
      end
      if not ours and not seen then
        -- If that is refused, or another type stands there, the waiter just looks again by its own timers.
        local noted = process and process ~= '' and redis.pcall('SADD', KEYS[3], process)
        if type(noted) == 'table' and string.find(noted.err, 'READONLY', 1, true) then
          return noted
        end
        if type(noted) == 'number' then
          -- A waiter looks again when the record is renewed.
          redis.call('PEXPIRE', KEYS[3], math.max(1000, life))
        end
        if not (KEYS[4] and computed) then
          return {'held', record, life, now}
        end
        local value = redis.pcall('GETRANGE', KEYS[4], '0', head)
        if type(value) ~= 'string' or value == '' then
          value = false
        end
        return {'held', record, life, now, value}
      end
      replaces = true
    else
      taken = redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    end
  end
end
-- The token is the server's time, or one more than the last token, whichever is higher. Those that are reserved after it are taken
-- as well.
local reserve = ARGV[5] and tonumber(ARGV[5]) or 0
local token = now
local last = redis.pcall('GETSET', KEYS[2], reserve == 0 and token or string.format('%.0f', token + reserve))
if last and not (#last == #token and last < token) then
  if type(last) == 'table' then
    if taken then
      redis.call('DEL', KEYS[1])
    end
    return string.find(last.err, 'WRONGTYPE', 1, true) and {'fence', redis.call('TYPE', KEYS[2]).ok} or last
  end
  -- A text, or a number that no later token could follow exactly, counts as lost.
  last = string.find(last, '^%d+$') and tonumber(last) or 0
  if last >= tonumber(token) and last < 9e15 then
    token = string.format('%.0f', last + 1)
    -- By the same command, which is not refused then: a token that was given must not be lost.
    redis.call('GETSET', KEYS[2], string.format('%.0f', last + 1 + reserve))
  end
end
if replaces then
  -- Last, since it can't be undone.
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
if token == now then
  return now
end
return {'granted', token, now}
