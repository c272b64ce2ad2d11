-- Takes or renews a user's lease on a channel.
--
-- KEYS  1 the channel's live users → when their last lease ends   2 their profiles
--       3 this user's leases on it: gateway → when it ends   4 what the gateway holds: "room\nuser"
-- ARGV  1 user   2 gateway   3 profile   4 a lease in ms   5 the room
-- Answers {live users, 1 if the user was not among them}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)
for _, user in ipairs(gone) do
  redis.call('HDEL', KEYS[2], user)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
local ends = now + ARGV[4]
local fresh = redis.call('ZADD', KEYS[1], ends, ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[3], ends, ARGV[2])
for i = 1, 3 do
  redis.call('PEXPIRE', KEYS[i], ARGV[4])
end
redis.call('SADD', KEYS[4], ARGV[5] .. '\n' .. ARGV[1])
redis.call('PEXPIRE', KEYS[4], 86400000)
return {redis.call('ZCARD', KEYS[1]), fresh}
