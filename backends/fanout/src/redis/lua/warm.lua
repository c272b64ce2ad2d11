-- Fills a room's recent cache with events from the store, below what the partition's position has or will publish.
--
-- KEYS  1 the partition's position   2 where this memory began   3 heads   4 the room's cache
-- ARGV  1 the room   2 how far the store saw   3 the seq of offset 0   4 events that a cache holds
--       5… two for each event, in order: seq, frame ("prev seq time\nrecord")
-- Answers 1 filled | 0 nothing was done
local position = redis.call('GET', KEYS[1])
if not position or tonumber(ARGV[2]) < tonumber(redis.call('GET', KEYS[2]) or '-1') then
  return 0
end
local through = tonumber(ARGV[3]) + tonumber(string.match(position, '^[^:]+'))
local last = nil
for i = 5, #ARGV, 2 do
  local seq = ARGV[i]
  -- What comes later is added when it is published, with this room's head before it.
  if tonumber(seq) <= through then
    if redis.call('ZCOUNT', KEYS[4], seq, seq) == 0 then
      redis.call('ZADD', KEYS[4], seq, ARGV[i + 1])
    end
    last = seq
  end
end
if not last then
  return 0
end
redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -1 - tonumber(ARGV[4]))
redis.call('EXPIRE', KEYS[4], 86400)
redis.call('ZADD', KEYS[3], 'NX', last, ARGV[1])
return 1
