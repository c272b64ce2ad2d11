-- Counts words of one partition's messages that directly follow a position; all of it or nothing.
--
-- KEYS[1]  the partition's position in counting
-- ARGV     1 what every key of the partition begins with   2 the position it must stand at
--          3 the last record's offset   4 the new position   5 words kept of a room   6 for how many ms
--          7… for each message: id, seq, room, how many words, then each word and how often it was said
-- Answers  {1 done | 0 elsewhere, the position that holds or nil, copies left out}
local base = ARGV[1]
local position = redis.call('GET', KEYS[1])
if not position then
  return {0, false, 0}
end
if tonumber(string.match(position, '^[^:]+')) >= tonumber(ARGV[3]) then
  return {1, position, 0}
end
if position ~= ARGV[2] then
  return {0, position, 0}
end
local rooms, copies = {}, 0
local i = 7
while i <= #ARGV do
  local words = tonumber(ARGV[i + 3])
  -- As apply.lua remembers ids.
  local seen = redis.call('GET', base .. 'i:' .. ARGV[i])
  if seen and seen ~= ARGV[i + 1] then
    copies = copies + 1
  else
    local key = base .. 'k:' .. ARGV[i + 2]
    for word = i + 4, i + 2 + 2 * words, 2 do
      redis.call('ZINCRBY', key, ARGV[word + 1], ARGV[word])
    end
    redis.call('ZREMRANGEBYRANK', key, 0, -1 - tonumber(ARGV[5]))
    rooms[key] = true
  end
  i = i + 4 + 2 * words
end
for key in pairs(rooms) do
  redis.call('PEXPIRE', key, ARGV[6])
end
redis.call('SET', KEYS[1], ARGV[4])
return {1, ARGV[4], copies}
