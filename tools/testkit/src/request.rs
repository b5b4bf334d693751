//! Requests on the wire: a list of words, each after its length.

/// A request's words as the protocol writes them.
pub(crate) fn encode<A: AsRef<[u8]>>(words: &[A]) -> Vec<u8> {
    let mut request = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        let word = word.as_ref();
        request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        request.extend_from_slice(word);
        request.extend_from_slice(b"\r\n");
    }
    request
}

/// Splits the bytes of a client into whole requests.
#[derive(Debug, Default)]
pub(crate) struct Requests(Vec<u8>);

impl Requests {
    /// Takes in what has arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next request that has arrived whole.
    ///
    /// # Errors
    /// Anything else: all bytes that have arrived.
    pub(crate) fn next(&mut self) -> Option<Result<Vec<Vec<u8>>, Vec<u8>>> {
        if self.0.first().is_some_and(|&kind| kind != b'*') {
            return Some(Err(std::mem::take(&mut self.0)));
        }
        let mut at = 0;
        let count = self.number(&mut at)?;
        let mut words = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            let length = self.number(&mut at)?;
            words.push(self.0.get(at..at + length)?.to_vec());
            at += length + 2;
        }
        if at > self.0.len() {
            return None;
        }
        self.0.drain(..at);
        Some(Ok(words))
    }

    /// The number in the line that begins at `at`, after the letter for its kind; `at` is then behind the line.
    fn number(&self, at: &mut usize) -> Option<usize> {
        let rest = self.0.get(*at..)?;
        let length = rest.windows(2).position(|end| end == b"\r\n")?;
        *at += length + 2;
        // The server refuses a wrong count, so it gets what was understood.
        Some(std::str::from_utf8(rest.get(1..length)?).ok()?.parse().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_out_whole_however_they_arrive() {
        let sent = [encode(&["SET", "a\r\n", ""]), encode(&["PING"])].concat();
        for size in 1..=sent.len() {
            let (mut requests, mut seen) = (Requests::default(), Vec::new());
            for bytes in sent.chunks(size) {
                requests.push(bytes);
                while let Some(request) = requests.next() {
                    seen.push(request.unwrap());
                }
            }
            assert_eq!(seen, [vec![b"SET".to_vec(), b"a\r\n".to_vec(), Vec::new()], vec![b"PING".to_vec()]]);
        }
    }

    #[test]
    fn what_is_no_request_passes_as_it_is() {
        let mut requests = Requests::default();
        requests.push(b"PING\r\n");
        assert_eq!(requests.next(), Some(Err(b"PING\r\n".to_vec())));
        assert_eq!(requests.next(), None);
    }
}
