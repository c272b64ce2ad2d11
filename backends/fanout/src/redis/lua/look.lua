-- The presence of users.
--
-- KEYS  one for each user: gateway → when its lease ends
-- Answers two for each: 1 if a lease lives, and when the last one ended (ms) or nil
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local out = {}
for i, key in ipairs(KEYS) do
  local ended = redis.call('ZREVRANGEBYSCORE', key, now, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
  out[2 * i - 1] = redis.call('ZCOUNT', key, '(' .. now, '+inf') > 0 and 1 or 0
  out[2 * i] = ended and string.format('%.0f', tonumber(ended)) or false
end
return out
