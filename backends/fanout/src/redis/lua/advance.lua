-- Raises pointers of users in a room; none goes back.
--
-- KEYS[1]  user → "delivered seq:time:read seq:time"
-- ARGV     1 how long the room's pointers are kept in ms   2… five for each user: user, delivered seq, its time,
--          read seq, its time
-- Answers  what each was before, or nil
--
-- Seqs stay the strings they are; tonumber() only compares them (53 bits are exact in a double).
local out = {}
for i = 2, #ARGV, 5 do
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  out[#out + 1] = known
  local d, dt, r, rt = '0', '0', '0', '0'
  if known then
    d, dt, r, rt = string.match(known, '^(%d+):(%d+):(%d+):(%d+)$')
  end
  if tonumber(ARGV[i + 1]) > tonumber(d) then
    d, dt = ARGV[i + 1], ARGV[i + 2]
  end
  if tonumber(ARGV[i + 3]) > tonumber(r) then
    r, rt = ARGV[i + 3], ARGV[i + 4]
  end
  if tonumber(r) > tonumber(d) then
    d, dt = r, rt
  end
  redis.call('HSET', KEYS[1], ARGV[i], d .. ':' .. dt .. ':' .. r .. ':' .. rt)
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return out
