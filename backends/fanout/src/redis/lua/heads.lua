-- Heads of rooms of one partition, with what is needed to read them, from one moment.
--
-- KEYS  1 the position   2 where this memory began   3 the heads   4 what was trimmed
-- ARGV  the rooms
-- Answers {position, from, trimmed, a head or nil for each room}
local out = {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]), redis.call('HGET', KEYS[4], 'trimmed')}
for i, room in ipairs(ARGV) do
  local score = redis.call('ZSCORE', KEYS[3], room)
  -- A large score may come back in exponent form.
  out[i + 3] = score and string.format('%.0f', tonumber(score))
end
return out
