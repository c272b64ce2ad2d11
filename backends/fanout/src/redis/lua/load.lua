-- Reads a session's snapshot, gives the session a time to live, and names its snapshots, in one step.
--
-- KEYS[1]  the session
-- ARGV     1 the snapshot's key   2 the time to live in ms
-- Answers nil where there is no such snapshot, else {the snapshot, {every key}}
local snapshot = redis.call('HGET', KEYS[1], ARGV[1])
if not snapshot then
  return false
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {snapshot, redis.call('HKEYS', KEYS[1])}
