-- One user's pointers in rooms of one partition.
--
-- KEYS     one for each room: user → pointers
-- ARGV     1 the user
-- Answers  one for each, or nil
local out = {}
for i, key in ipairs(KEYS) do
  out[i] = redis.call('HGET', key, ARGV[1])
end
return out
