-- Users with a time that lies ahead, and their profiles: live users of a channel, or who types in a room.
--
-- KEYS  1 users → until when   2 their profiles
-- ARGV  1 at most this many profiles
-- Answers {how many, {profiles}}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local profiles = {}
for _, user in ipairs(redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', '(' .. now, 'LIMIT', 0, ARGV[1])) do
  local profile = redis.call('HGET', KEYS[2], user)
  if profile then
    profiles[#profiles + 1] = profile
  end
end
return {redis.call('ZCOUNT', KEYS[1], '(' .. now, '+inf'), profiles}
