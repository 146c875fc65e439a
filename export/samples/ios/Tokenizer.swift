import Foundation

/// A piece of a text: its id, its first character and the one behind its last.
struct Piece: Equatable {
    let id: Int32
    let start: Int
    let end: Int
}

/// BERT's tokenizer, as `bert_tf.text.tokenization` has it: the same pieces at the same
/// places. Places count characters, which are Unicode's code points.
///
/// Source: google-research/bert, `tokenization.py`, with each character normalized by
/// itself.
final class Tokenizer {
    /// What the file beside the model says of its tokenizer.
    struct Settings: Decodable {
        let do_lower_case: Bool
        let strip_accents: Bool
        let max_bytes_per_word: Int
    }

    private typealias Letter = (scalar: Unicode.Scalar, source: Int)

    private static let continues = Array("##".utf8)

    let pad, unk, cls, sep: Int32
    // By bytes: Swift takes strings for equal that are canonically equivalent.
    private let ids: [[UInt8]: Int32]
    private let longest: Int
    private let settings: Settings

    init(vocabulary: [String], settings: Settings) {
        var ids: [[UInt8]: Int32] = [:]
        for (id, entry) in vocabulary.enumerated() { ids[Array(entry.utf8)] = Int32(id) }
        self.ids = ids
        self.settings = settings
        longest = vocabulary.map { $0.unicodeScalars.count }.max() ?? 1
        pad = ids[Array("[PAD]".utf8)]!
        unk = ids[Array("[UNK]".utf8)]!
        cls = ids[Array("[CLS]".utf8)]!
        sep = ids[Array("[SEP]".utf8)]!
    }

    /// Returns the pieces of a text.
    func tokenize(_ text: String) -> [Piece] {
        let characters = Array(text.unicodeScalars)
        var pieces: [Piece] = []
        var word: [Letter] = []
        func endWord() {
            if !word.isEmpty { pieces += split(word, characters) }
            word = []
        }
        for (source, character) in characters.enumerated() {
            for scalar in normalize(character) {
                let alone = Self.isPunctuation(scalar) || Self.isIdeograph(scalar)
                let blank = scalar.properties.isWhitespace
                if alone || blank { endWord() }
                if !blank { word.append((scalar, source)) }
                if alone { endWord() }
            }
        }
        endWord()
        return pieces
    }

    /// Returns `[CLS] A [SEP]`, or `[CLS] A [SEP] B [SEP]`, and each token's segment.
    ///
    /// Two segments that are too long together lose pieces from the end of the longer.
    func pack(_ segments: [[Piece]], length: Int) -> (ids: [Int32], segmentIds: [Int32]) {
        var kept = segments.map(\.count)
        let room = length - 1 - segments.count
        if kept.count == 2 {
            // At a tie the second is cut, so an odd place goes to the first.
            kept[0] = min(kept[0], max(room - kept[1], room - room / 2))
            kept[1] = min(kept[1], room - kept[0])
        } else {
            kept[0] = min(kept[0], room)
        }
        var packed = [cls]
        var segmentIds: [Int32] = [0]
        for (number, segment) in segments.enumerated() {
            packed += segment.prefix(kept[number]).map(\.id) + [sep]
            segmentIds += Array(repeating: Int32(number), count: kept[number] + 1)
        }
        return (packed, segmentIds)
    }

    private func normalize(_ character: Unicode.Scalar) -> [Unicode.Scalar] {
        if "\t\n\r".unicodeScalars.contains(character) { return [character] }
        if character.value == 0 || character.value == 0xfffd { return [] }
        let category = character.properties.generalCategory
        if category == .control || category == .format { return [] }
        var letters = String(character)
        if settings.do_lower_case { letters = character.properties.lowercaseMapping }
        if settings.strip_accents {
            letters = letters.decomposedStringWithCanonicalMapping
            return letters.unicodeScalars.filter { !Self.isMark($0) }
        }
        return Array(letters.unicodeScalars)
    }

    /// Splits a word into the longest entries, from the left.
    private func split(_ word: [Letter], _ characters: [Unicode.Scalar]) -> [Piece] {
        let unknown = [piece(unk, word, 0, word.count, characters)]
        if bytes(word[...]).count > settings.max_bytes_per_word { return unknown }
        var pieces: [Piece] = []
        var start = 0
        while start < word.count {
            var end = min(word.count, start + longest)
            var found: Int32?
            while end > start {
                let entry = bytes(word[start..<end])
                found = ids[start > 0 ? Self.continues + entry : entry]
                if found != nil { break }
                end -= 1
            }
            guard let id = found else { return unknown }
            pieces.append(piece(id, word, start, end, characters))
            start = end
        }
        return pieces
    }

    private func bytes(_ letters: ArraySlice<Letter>) -> [UInt8] {
        letters.flatMap { Array(UTF8.encode($0.scalar)!) }
    }

    private func piece(
        _ id: Int32, _ word: [Letter], _ start: Int, _ end: Int,
        _ characters: [Unicode.Scalar]
    ) -> Piece {
        var stop = word[end - 1].source + 1
        // Marks that were dropped are part of what they stand on.
        for i in stop..<max(stop, characters.count) {
            if !normalize(characters[i]).isEmpty { break }
            if Self.isMark(characters[i]) { stop = i + 1 }
        }
        return Piece(id: id, start: word[start].source, end: stop)
    }

    private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.generalCategory == .nonspacingMark
    }

    private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 33...47, 58...64, 91...96, 123...126: return true
        default: break
        }
        switch scalar.properties.generalCategory {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
            .initialPunctuation, .finalPunctuation, .otherPunctuation:
            return true
        default: return false
        }
    }

    private static func isIdeograph(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x4e00...0x9fff, 0x3400...0x4dbf, 0x20000...0x2a6df, 0x2a700...0x2b73f,
            0x2b740...0x2b81f, 0x2b820...0x2ceaf, 0xf900...0xfaff, 0x2f800...0x2fa1f:
            return true
        default: return false
        }
    }
}
