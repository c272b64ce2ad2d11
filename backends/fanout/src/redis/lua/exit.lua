-- Ends a user's lease on a channel from one gateway.
--
-- KEYS  as of enter.lua
-- ARGV  1 user   2 gateway   3 the room
-- Answers {live users, 1 if it was the user's last}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)
for _, user in ipairs(gone) do
  redis.call('HDEL', KEYS[2], user)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREM', KEYS[3], ARGV[2])
redis.call('SREM', KEYS[4], ARGV[3] .. '\n' .. ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
local left = redis.call('ZREVRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2]
local ended = 0
if left then
  redis.call('ZADD', KEYS[1], 'XX', left, ARGV[1])
else
  ended = redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
end
return {redis.call('ZCARD', KEYS[1]), ended}
