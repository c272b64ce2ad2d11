-- Ends some of the leases on channels that a dead gateway held.
--
-- KEYS     1 the leases that it held: "room\nuser"
-- ARGV     1 the gateway   2 what every key of these rooms begins with   3 at most so many
-- Answers  {how many were looked at, room, profile, live users, …: of those whose last lease it was}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local held = redis.call('SPOP', KEYS[1], ARGV[3])
local out = { #held }
for _, place in ipairs(held) do
  local room, user = string.match(place, '^(.*)\n(.*)$')
  local live, names, leases = ARGV[2] .. 'l:' .. room, ARGV[2] .. 'ln:' .. room, ARGV[2] .. 'lg:' .. place
  redis.call('ZREM', leases, ARGV[1])
  redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)
  local left = redis.call('ZREVRANGE', leases, 0, 0, 'WITHSCORES')[2]
  if left then
    redis.call('ZADD', live, 'XX', left, user)
  else
    local profile = redis.call('HGET', names, user)
    if redis.call('ZREM', live, user) == 1 and profile then
      out[#out + 1] = room
      out[#out + 1] = profile
      out[#out + 1] = redis.call('ZCOUNT', live, '(' .. now, '+inf')
    end
    redis.call('HDEL', names, user)
  end
end
return out
