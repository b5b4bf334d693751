//! The slots of Redis Cluster: which slot a key hashes to, and the number that names a slot.

use once_cell::sync::Lazy;

/// How many slots there are.
pub(crate) const SLOTS: u16 = 16_384;

/// The smallest number for each slot whose decimal text hashes to it.
static NUMBERS: Lazy<Vec<u32>> = Lazy::new(numbers);

/// The slot of a key. All keys with the same [hash tag](hash_tag) share one.
pub(crate) fn slot(key: &str) -> u16 {
    let hashed = hash_tag(key).unwrap_or(key);
    hashed.bytes().fold(0, crc16) % SLOTS
}

/// The smallest number whose decimal text hashes to this slot.
pub(super) fn number(slot: u16) -> u32 {
    NUMBERS[usize::from(slot)]
}

/// The part of a key that Redis Cluster hashes: the text between the first `{` and the next `}`, unless it is empty.
pub(super) fn hash_tag(key: &str) -> Option<&str> {
    let (_, rest) = key.split_once('{')?;
    let (tag, _) = rest.split_once('}')?;
    (!tag.is_empty()).then_some(tag)
}

/// CRC-16/XMODEM: the sum after one more byte.
fn crc16(sum: u16, byte: u8) -> u16 {
    let high = sum >> 8 ^ u16::from(byte);
    let high = high ^ high >> 4;
    sum << 8 ^ high << 12 ^ high << 5 ^ high
}

/// Goes through the numbers until each slot has one. The sum of a number continues that of the number without its last digit.
fn numbers() -> Vec<u32> {
    let (mut numbers, mut left) = (vec![None; SLOTS.into()], SLOTS);
    let mut sums: Vec<u16> = Vec::new();
    for (number, digit) in (0..).zip((b'0'..=b'9').cycle()) {
        if left == 0 {
            break;
        }
        let before = if number < 10 { 0 } else { sums[sums.len() / 10] };
        let sum = crc16(before, digit);
        sums.push(sum);
        let place = &mut numbers[usize::from(sum % SLOTS)];
        left -= u16::from(place.is_none());
        place.get_or_insert(number);
    }
    numbers.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the specification of Redis Cluster, and from `CLUSTER KEYSLOT` of Redis 7.0.
    #[test]
    fn slots_are_those_of_the_cluster() {
        assert_eq!("123456789".bytes().fold(0, crc16), 0x31C3);
        for (key, at) in [
            ("", 0),
            ("foo", 12_182),
            ("somekey", 11_058),
            ("foo{hash_tag}", 2_515),
            ("bar{hash_tag}", 2_515),
            ("foo{}{bar}", 8_363),
            ("foo{{bar}}zap", 4_015),
            ("foo{bar}{zap}", 5_061),
            ("dspinlock,7", 11_051),
        ] {
            assert_eq!(slot(key), at, "{key}");
        }
    }

    #[test]
    fn each_slot_has_the_smallest_number_of_its_own() {
        for (at, &number) in (0..).zip(NUMBERS.iter()) {
            assert_eq!(slot(&number.to_string()), at);
        }
        let mut first = vec![None; SLOTS.into()];
        for number in 0..=*NUMBERS.iter().max().unwrap() {
            first[usize::from(slot(&number.to_string()))].get_or_insert(number);
        }
        assert!(first.into_iter().eq(NUMBERS.iter().copied().map(Some)));
    }
}
