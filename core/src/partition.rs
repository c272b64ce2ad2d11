//! Which partition a room's records go to. One function, so that gateway, worker and persister agree without asking.

use crate::ids::{Partition, RoomId};

/// The partition of `room` in a log of `partitions` (at least 1): Kafka's `murmur2` of the key, made positive, modulo
/// the number of partitions, as the Java client's default partitioner has it.
pub fn of(room: &RoomId, partitions: u32) -> Partition {
    Partition((murmur2(room.as_str().as_bytes()) & 0x7fff_ffff) % partitions.max(1))
}

/// MurmurHash2, 32 bits, with the seed of Kafka's `org.apache.kafka.common.utils.Utils.murmur2`.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = word.iter().rev().fold(0, |k, byte| (k << 8) | u32::from(*byte)).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0, |k, byte| (k << 8) | u32::from(*byte));
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn murmur2_answers_as_kafkas_java_client_does() {
        let known: [(&[u8], i32); 7] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
            (b"", 275_646_681),
        ];
        for (key, hash) in known {
            assert_eq!(murmur2(key).cast_signed(), hash, "{}", String::from_utf8_lossy(key));
        }
    }

    #[test]
    fn a_room_stays_on_one_partition_within_the_count() {
        let room = RoomId::trusted("room-123");
        assert_eq!(of(&room, 10), of(&room, 10));
        assert!(of(&room, 10).0 < 10);
        assert_eq!(of(&room, 1), Partition(0));
    }
}
