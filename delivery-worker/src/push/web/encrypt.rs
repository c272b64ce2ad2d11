//! Message encryption for Web Push (RFC 8291): the push service passes on what only the browser can read.

use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::{PublicKey, SecretKey};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};

/// The longest text: 4,096 bytes that every service takes (RFC 8030 §7.2) less header, delimiter and tag.
pub(crate) const MAX_PLAINTEXT: usize = 4096 - HEADER - 1 - TAG;

const SALT: usize = 16;
/// An uncompressed point.
const POINT: usize = 65;
/// Salt, record size, length of the key's id, the key (RFC 8188 §2.1).
const HEADER: usize = SALT + 4 + 1 + POINT;
const TAG: usize = 16;
/// One record holds all.
const RECORD_SIZE: u32 = 4096;

/// Why a text was not encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    /// The browser's key is no point of the curve, or its secret is not 16 bytes.
    #[error("the subscription's keys are none")]
    Keys,
    /// Over [`MAX_PLAINTEXT`].
    #[error("the notification is too long")]
    TooLong,
    /// The machine gives no random bytes.
    #[error("no random bytes")]
    Random,
}

/// Encrypts for the browser with this public key and secret, under a fresh key and salt: the request's body, with
/// `Content-Encoding: aes128gcm`.
pub(crate) fn encrypt(text: &[u8], p256dh: &[u8], auth: &[u8]) -> Result<Vec<u8>, Unfit> {
    let random = SystemRandom::new();
    let mut salt = [0; SALT];
    random.fill(&mut salt).map_err(|_| Unfit::Random)?;
    seal(text, p256dh, auth, &fresh_key(&random)?, salt)
}

/// A key pair's secret half.
pub(crate) fn fresh_key(random: &SystemRandom) -> Result<SecretKey, Unfit> {
    let mut bytes = [0; 32];
    loop {
        random.fill(&mut bytes).map_err(|_| Unfit::Random)?;
        // All but one in 2³² are valid.
        if let Ok(key) = SecretKey::from_slice(&bytes) {
            return Ok(key);
        }
    }
}

fn seal(text: &[u8], p256dh: &[u8], auth: &[u8], ours: &SecretKey, salt: [u8; SALT]) -> Result<Vec<u8>, Unfit> {
    if text.len() > MAX_PLAINTEXT {
        return Err(Unfit::TooLong);
    }
    let theirs = PublicKey::from_sec1_bytes(p256dh).map_err(|_| Unfit::Keys)?;
    if p256dh.len() != POINT || auth.len() != 16 {
        return Err(Unfit::Keys);
    }
    let our_point = ours.public_key().to_encoded_point(false);
    let shared = p256::ecdh::diffie_hellman(ours.to_nonzero_scalar(), theirs.as_affine());

    // RFC 8291 §3.4.
    let mut ikm = [0; 32];
    derive(auth, shared.raw_secret_bytes(), &[b"WebPush: info\0", p256dh, our_point.as_bytes()], &mut ikm);
    // RFC 8188 §2.2 and §2.3.
    let (mut key, mut nonce) = ([0; 16], [0; 12]);
    derive(&salt, &ikm, &[b"Content-Encoding: aes128gcm\0"], &mut key);
    derive(&salt, &ikm, &[b"Content-Encoding: nonce\0"], &mut nonce);

    // The delimiter of the last record, and no padding.
    let mut sealed = [text, &[2]].concat();
    let key = UnboundKey::new(&AES_128_GCM, &key).expect("16 bytes are what AES-128 takes");
    LessSafeKey::new(key)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
        .expect("a few kilobytes are within what GCM takes");

    let id_length = [u8::try_from(our_point.len()).expect("65 is less than 256")];
    Ok([&salt, &RECORD_SIZE.to_be_bytes()[..], &id_length, our_point.as_bytes(), &sealed].concat())
}

/// HKDF with SHA-256 (RFC 5869), both steps.
fn derive(salt: &[u8], secret: &[u8], info: &[&[u8]], out: &mut [u8]) {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let prk = Salt::new(HKDF_SHA256, salt).extract(secret);
    let okm = prk.expand(info, Length(out.len())).expect("at most 32 bytes, far below 255 times as many");
    okm.fill(out).expect("the length asked for is the buffer's");
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).expect("base64url")
    }

    const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    #[test]
    fn the_example_of_rfc_8291_appendix_a_comes_out_byte_for_byte() {
        let ours = SecretKey::from_slice(&bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")).expect("a key");
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().expect("16 bytes");
        let text = b"When I grow up, I want to be a watermelon";
        let sealed = seal(text, &bytes(P256DH), &bytes(AUTH), &ours, salt).expect("sealed");
        let wanted = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6Tlz\
                      AC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(URL_SAFE_NO_PAD.encode(sealed), wanted);
    }

    #[test]
    fn what_fits_makes_4096_bytes_at_most_and_more_is_refused() {
        let (p256dh, auth) = (bytes(P256DH), bytes(AUTH));
        assert_eq!(encrypt(&[b'x'; MAX_PLAINTEXT], &p256dh, &auth).expect("sealed").len(), 4096);
        assert_eq!(encrypt(&[b'x'; MAX_PLAINTEXT + 1], &p256dh, &auth), Err(Unfit::TooLong));
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        let (p256dh, auth) = (bytes(P256DH), bytes(AUTH));
        let mut off_the_curve = p256dh.clone();
        off_the_curve[64] ^= 1;
        for (p256dh, auth) in
            [(&off_the_curve[..], &auth[..]), (&[], &auth), (&p256dh[..33], &auth), (&p256dh, &[1; 15])]
        {
            assert_eq!(encrypt(b"hi", p256dh, auth), Err(Unfit::Keys));
        }
    }
}
