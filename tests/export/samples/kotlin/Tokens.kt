import java.util.Base64
import org.example.bert.Tokenizer

// Reads requests, one a line, of words in Base64, and writes what the Android sample
// makes of each: `vocabulary SETTINGS ENTRY...`, `pieces TEXT`,
// `unassigned TEXT`, `packed LENGTH TEXT...`.
fun main() {
    lateinit var tokenizer: Tokenizer
    for (line in generateSequence(::readlnOrNull)) {
        val words = line.split(" ").map { String(Base64.getDecoder().decode(it)) }
        val answer = when (words[0]) {
            "vocabulary" -> {
                val (lower, strip) = words[1].map { it == '1' }
                tokenizer = Tokenizer(words.drop(2), lower, strip, 800)
                listOf(0)
            }
            "unassigned" -> words[1].codePoints().toArray().filter {
                Character.getType(it).toByte() == Character.UNASSIGNED
            }
            "pieces" -> tokenizer.tokenize(words[1]).flatMap {
                listOf(it.id, it.start, it.end)
            }
            else -> {
                val segments = words.drop(2).map { tokenizer.tokenize(it) }
                val packed = tokenizer.pack(segments, words[1].toInt())
                packed.ids.toList() + packed.segmentIds.toList()
            }
        }
        println(answer.joinToString(" "))
    }
}
