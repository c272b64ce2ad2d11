-- Sets a partition's position if it has none.
--
-- KEYS  1 the position   2 where this memory began
-- ARGV  1 the position to set   2 its offset
-- Answers the position that holds.
local held = redis.call('GET', KEYS[1])
if held then
  return held
end
redis.call('SET', KEYS[2], ARGV[2])
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
