-- Ends a user's lease on one gateway. The lease is not removed but ends when they were last seen. A hidden one has ended
-- when it was hidden.
--
-- KEYS     1 gateway → when its lease ends   2 gateway → its status   3 the users whom the gateway holds
-- ARGV     1 the gateway   2 how long a user is remembered in ms   3 the user   4 when they were last seen
-- Answers  {what others saw, what they see}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local before = standing(KEYS[1], KEYS[2], now)
local told = redis.call('HGET', KEYS[2], ARGV[1])
local hidden = told and string.match(told, '^~?offline (%d+)$')
redis.call('ZADD', KEYS[1], hidden or math.min(now, ARGV[4]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('SREM', KEYS[3], ARGV[3])
local after = standing(KEYS[1], KEYS[2], now)
return {before, after}
