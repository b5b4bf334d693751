-- Takes a free key, one whose COMPUTED record the mode re-locks, or one that still holds exactly what the caller saw.
-- A caller that wants a value is handed the beginning of what was computed, with the mark of who is to compute anew, or a
-- failure's note.
-- KEYS: record, fence, wait; to fetch: value, error, refresh
-- ARGV: tag, lease ms, fence life ms, not after us, pattern of records to re-lock or '', record seen or '', its life at most ms or '-1',
--   tokens to reserve, process that waits or ''; to fetch: record waited for or '', refresh ahead ms or '-1', bytes of the value at most
-- Nothing is read that may be longer than what belongs there, and what was written is undone where a later command fails.
local record = redis.pcall('GETRANGE', KEYS[1], 0, 1024)
if type(record) == 'table' then
  return string.find(record.err, 'WRONGTYPE', 1, true) and {'type', redis.call('TYPE', KEYS[1]).ok} or record
end
if record == '' and redis.call('EXISTS', KEYS[1]) == 0 then
  record = false
end
if record and #record > 1024 then
  return {'type', 'string of ' .. redis.call('STRLEN', KEYS[1]) .. ' bytes'}
end
local tag = ARGV[1]
if record == tag .. '1' then
  return {'spent'}
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local text = string.format('%.0f', now)
-- The last token, or nothing and what else stands in its place. What no later token could follow exactly is none.
local function last_fence()
  local last = redis.pcall('GETRANGE', KEYS[2], 0, 31)
  if type(last) == 'table' then
    return nil, {'fence', redis.call('TYPE', KEYS[2]).ok}
  end
  if last == '' and redis.call('EXISTS', KEYS[2]) == 0 then
    return 0
  end
  if not (string.find(last, '^%d+$') and tonumber(last) < 9e15) then
    return nil, {'fence', 'string'}
  end
  return tonumber(last)
end
-- The next token, for what was just written to this key and is undone if there is none to be had.
local function next_fence(last, key)
  local fence = math.max(last + 1, now)
  local set = redis.pcall('SET', KEYS[2], string.format('%.0f', fence + ARGV[8]), 'PX', ARGV[3])
  if set.err then
    redis.call('DEL', key)
    return nil, set
  end
  return string.format('%.0f', fence)
end
if record == tag .. '0' then
  -- A repeat by the same turn: the reply to the first request was lost. Nobody came in between. Its lease goes on from
  -- there, as its holder counts it: a turn that nobody waits for any more must not live longer.
  local last, strange = last_fence()
  if strange then
    return strange
  end
  if last == 0 then
    -- The fence is lost, and so is the token that nobody has heard of.
    local fence, refused = next_fence(0, KEYS[1])
    return refused or {'granted', fence, text}
  end
  return {'granted', string.format('%.0f', last - ARGV[8]), text}
end
if now > tonumber(ARGV[4]) then
  return {'late', text}
end
local fetch = KEYS[4]
local computed = record and string.sub(record, -1) == '1'
if fetch and not computed then
  -- The note of a turn that failed: its record, a line break, until when it turns everybody away, a line break, the rest.
  local note = redis.pcall('GETRANGE', KEYS[5], 0, 8191)
  if type(note) == 'string' then
    local turn, till = string.match(note, '^([^\n]*)\n(%d+)\n')
    if turn and (turn == ARGV[10] or (not record and now < tonumber(till))) then
      return {'failed', note, text}
    end
  end
end
if record then
  local ours = ARGV[5] ~= '' and string.find(record, ARGV[5])
  local seen = ARGV[6] ~= '' and record == ARGV[6]
  local life
  if not ours then
    life = redis.call('PTTL', KEYS[1])
  end
  if life and seen and ARGV[7] ~= '-1' then
    seen = life >= 0 and life <= tonumber(ARGV[7])
  end
  if not ours and not seen then
    -- Where that is refused, or the key is somebody else's, nobody is told of who waits: they look again all the same.
    if ARGV[9] ~= '' and type(redis.pcall('SADD', KEYS[3], ARGV[9])) == 'number' then
      -- Who waits looks again when the record is renewed.
      redis.call('PEXPIRE', KEYS[3], math.max(1000, life))
    end
    if not (fetch and computed) then
      return {'held', record, life, text}
    end
    local value = redis.pcall('GETRANGE', KEYS[4], 0, ARGV[12])
    if type(value) ~= 'string' or value == '' then
      value = false
    end
    if value and life >= 0 and life <= tonumber(ARGV[11]) then
      local mark = redis.pcall('GETRANGE', KEYS[6], 0, 1024)
      local last = last_fence()
      -- A repeat by the same turn has a token of its own: the lock may have been granted in between.
      if last and (mark == '' or mark == tag .. '0') then
        redis.call('SET', KEYS[6], tag .. '0', 'PX', ARGV[2])
        local fence, refused = next_fence(last, KEYS[6])
        return refused or {'refresh', fence, record, text, value}
      end
    end
    return {'held', record, life, text, value}
  end
end
local last, strange = last_fence()
if strange then
  return strange
end
redis.call('SET', KEYS[1], tag .. '0', 'PX', ARGV[2])
local fence, refused = next_fence(last, KEYS[1])
return refused or {'granted', fence, text}
