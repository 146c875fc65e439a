package org.example.bert

import java.text.Normalizer
import java.util.Locale

/** A piece of a text: its id, its first character and the one behind its last. */
data class Piece(val id: Int, val start: Int, val end: Int)

/** What a model reads: ids and which segment each is of. */
class Packed(val ids: IntArray, val segmentIds: IntArray)

/**
 * BERT's tokenizer, as `bert_tf.text.tokenization` has it: the same pieces at the same
 * places. Places count characters, which are Unicode's code points.
 *
 * @param vocabulary the entries in their order, and
 * @param doLowerCase,stripAccents,maxBytesPerWord the settings, all from the JSON file
 *   that the export wrote beside the model.
 *
 * Source: google-research/bert, `tokenization.py`, with each character normalized by
 * itself.
 */
class Tokenizer(
    vocabulary: List<String>,
    private val doLowerCase: Boolean,
    private val stripAccents: Boolean,
    private val maxBytesPerWord: Int,
) {
    private val ids = vocabulary.withIndex().associate { (id, entry) -> entry to id }
    private val longest = vocabulary.maxOf { it.length }
    val pad = ids.getValue("[PAD]")
    val unk = ids.getValue("[UNK]")
    val cls = ids.getValue("[CLS]")
    val sep = ids.getValue("[SEP]")

    /** A letter of the normalized text, and the character that it came from. */
    private class Letter(val code: Int, val source: Int)

    /** Returns the pieces of a text. */
    fun tokenize(text: String): List<Piece> {
        val characters = text.codePoints().toArray()
        val pieces = mutableListOf<Piece>()
        val word = mutableListOf<Letter>()
        fun endWord() {
            if (word.isNotEmpty()) split(word, characters, pieces)
            word.clear()
        }
        characters.forEachIndexed { source, character ->
            for (code in normalize(character)) {
                val alone = isPunctuation(code) || isIdeograph(code)
                val blank = isWhiteSpace(code)
                if (alone || blank) endWord()
                if (!blank) word.add(Letter(code, source))
                if (alone) endWord()
            }
        }
        endWord()
        return pieces
    }

    /**
     * Returns `[CLS] A [SEP]`, or `[CLS] A [SEP] B [SEP]`.
     *
     * Two segments that are too long together lose pieces from the end of the longer.
     */
    fun pack(segments: List<List<Piece>>, length: Int): Packed {
        val kept = segments.map { it.size }.toIntArray()
        val room = length - 1 - segments.size
        if (kept.size == 2) {
            // At a tie the second is cut, so an odd place goes to the first.
            kept[0] = minOf(kept[0], maxOf(room - kept[1], room - room / 2))
            kept[1] = minOf(kept[1], room - kept[0])
        } else {
            kept[0] = minOf(kept[0], room)
        }
        val packed = mutableListOf(cls)
        val segmentIds = mutableListOf(0)
        segments.forEachIndexed { number, segment ->
            segment.take(kept[number]).mapTo(packed) { it.id }
            packed.add(sep)
            repeat(kept[number] + 1) { segmentIds.add(number) }
        }
        return Packed(packed.toIntArray(), segmentIds.toIntArray())
    }

    private fun normalize(character: Int): IntArray {
        if (character == TAB || character == LINE_FEED || character == CARRIAGE_RETURN) {
            return intArrayOf(character)
        }
        if (character == 0 || character == REPLACEMENT || isControl(character)) {
            return NOTHING
        }
        var letters = String(Character.toChars(character))
        if (doLowerCase) letters = letters.lowercase(Locale.ROOT)
        if (stripAccents) letters = Normalizer.normalize(letters, Normalizer.Form.NFD)
        val codes = letters.codePoints().toArray()
        return if (stripAccents) codes.filterNot(::isMark).toIntArray() else codes
    }

    /** Adds the pieces of a word: the longest entries, from the left. */
    private fun split(
        word: List<Letter>,
        characters: IntArray,
        pieces: MutableList<Piece>,
    ) {
        val codes = IntArray(word.size) { word[it].code }
        val unknown = piece(unk, word, 0, word.size, characters)
        if (String(codes, 0, codes.size).toByteArray().size > maxBytesPerWord) {
            pieces.add(unknown)
            return
        }
        val found = mutableListOf<Piece>()
        var start = 0
        while (start < word.size) {
            var end = minOf(word.size, start + longest)
            var id: Int? = null
            while (end > start) {
                val entry = String(codes, start, end - start)
                id = ids[if (start > 0) CONTINUES + entry else entry]
                if (id != null) break
                end--
            }
            if (id == null) {
                pieces.add(unknown)
                return
            }
            found.add(piece(id, word, start, end, characters))
            start = end
        }
        pieces.addAll(found)
    }

    private fun piece(
        id: Int,
        word: List<Letter>,
        start: Int,
        end: Int,
        characters: IntArray,
    ): Piece {
        var stop = word[end - 1].source + 1
        // Marks that were dropped are part of what they stand on.
        for (i in stop until characters.size) {
            if (normalize(characters[i]).isNotEmpty()) break
            if (isMark(characters[i])) stop = i + 1
        }
        return Piece(id, word[start].source, stop)
    }

    private companion object {
        const val CONTINUES = "##"
        const val TAB = 0x09
        const val LINE_FEED = 0x0a
        const val CARRIAGE_RETURN = 0x0d
        const val REPLACEMENT = 0xfffd
        val NOTHING = IntArray(0)

        fun isControl(code: Int) = when (Character.getType(code).toByte()) {
            Character.CONTROL, Character.FORMAT, Character.SURROGATE -> true
            else -> false
        }

        fun isMark(code: Int) =
            Character.getType(code).toByte() == Character.NON_SPACING_MARK

        fun isPunctuation(code: Int): Boolean {
            if (code < 0x80) {
                val isLetterOrDigit = Character.isLetterOrDigit(code)
                return code > 0x20 && code < 0x7f && !isLetterOrDigit
            }
            return when (Character.getType(code).toByte()) {
                Character.CONNECTOR_PUNCTUATION,
                Character.DASH_PUNCTUATION,
                Character.START_PUNCTUATION,
                Character.END_PUNCTUATION,
                Character.INITIAL_QUOTE_PUNCTUATION,
                Character.FINAL_QUOTE_PUNCTUATION,
                Character.OTHER_PUNCTUATION -> true
                else -> false
            }
        }

        /** Unicode's White_Space, which Java's functions miss in part. */
        fun isWhiteSpace(code: Int) = code in 0x09..0x0d || code == 0x20 ||
            code == 0x85 || code == 0xa0 || code == 0x1680 || code in 0x2000..0x200a ||
            code == 0x2028 || code == 0x2029 || code == 0x202f || code == 0x205f ||
            code == 0x3000

        fun isIdeograph(code: Int) = code in 0x4e00..0x9fff || code in 0x3400..0x4dbf ||
            code in 0x20000..0x2a6df || code in 0x2a700..0x2b73f ||
            code in 0x2b740..0x2b81f || code in 0x2b820..0x2ceaf ||
            code in 0xf900..0xfaff || code in 0x2f800..0x2fa1f
    }
}
