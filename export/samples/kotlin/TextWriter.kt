// Writes a text with a TFLite file of a model that writes, on Android.
//
//     python -m export.export_tflite --checkpoint=runs/translation \
//         --output_file=translation.tflite --quantization=dynamic_int8
//
// The same loop in Python, which tests compare with Keras token by token, is
// `export/check/litert_writing.py`; what the signatures take and give says
// `export/tflite/text_writing.py`. Needs com.google.ai.edge.litert:litert, and a
// WordPiece tokenizer for the checkpoint's vocab.txt.

import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.MappedByteBuffer
import org.tensorflow.lite.DataType
import org.tensorflow.lite.Interpreter

/**
 * Greedy search, a token a call, with a cache of what was written.
 *
 * @param model the file, mapped into memory.
 * @param numThreads threads the interpreter may use.
 */
class TextWriter(model: MappedByteBuffer, numThreads: Int = 2) : AutoCloseable {
    private val interpreter =
        Interpreter(model, Interpreter.Options().setNumThreads(numThreads))
    private val reads = ENCODE in interpreter.signatureKeys
    private val memoryNames = namesOf(DECODE).filter { it.startsWith("memory_") }
    private val pastNames = namesOf(DECODE).filter { it.startsWith("past_") }

    // What a call reads and what it writes must not be the same memory.
    private var past = pastNames.associateWith { bufferOf(it) }
    private var next = pastNames.associateWith { bufferOf(it) }
    private val memory = memoryNames.associateWith { bufferOf(it) }
    private val logits = allocate(interpreter.getOutputTensorFromSignature("logits", DECODE).numBytes())

    /** How many tokens can be fed after each other. */
    val mostTokens: Int =
        interpreter.getInputTensorFromSignature("past_keys_0", DECODE).shape()[2]

    /** How many tokens the text has, padding included; 0 if the model reads none. */
    val textLength: Int =
        if (reads) interpreter.getInputTensorFromSignature("input_ids", ENCODE).shape()[1]
        else 0

    /**
     * Writes by the likeliest token of each step.
     *
     * @param prompt the tokens it begins with, one at least: [CLS].
     * @param endId [SEP], which ends what is written.
     * @param text of an encoder-decoder, [CLS], the text's tokens and [SEP].
     * @param onToken called with each token as it is chosen.
     * @return the tokens after the prompt, the end among them if it came.
     */
    fun write(
        prompt: List<Int>,
        endId: Int,
        text: List<Int> = emptyList(),
        onToken: (Int) -> Unit = {},
    ): List<Int> {
        require(prompt.isNotEmpty()) { "The prompt must have a token: [CLS]." }
        if (reads) read(text)
        past.values.forEach(::clear)
        val tokens = prompt.toMutableList()
        for (position in 0 until mostTokens) {
            val likeliest = decode(tokens[position], position)
            if (position + 1 < tokens.size) continue
            tokens.add(likeliest)
            onToken(likeliest)
            if (likeliest == endId) break
        }
        return tokens.drop(prompt.size)
    }

    /** Runs the encoder: what the decoder attends to is then in `memory`. */
    private fun read(text: List<Int>) {
        require(text.size <= textLength) {
            "The text has ${text.size} tokens, and the file takes $textLength."
        }
        val ids = IntArray(textLength) { text.getOrElse(it) { 0 } }
        val mask = IntArray(textLength) { if (it < text.size) 1 else 0 }
        val inputs =
            mapOf(
                "input_ids" to arrayOf(ids),
                "input_mask" to arrayOf(mask),
                "segment_ids" to arrayOf(IntArray(textLength)),
            )
        memory.values.forEach { it.rewind() }
        interpreter.runSignature(inputs, memory, ENCODE)
    }

    /** Feeds a token; returns the likeliest one to follow. */
    private fun decode(token: Int, position: Int): Int {
        (memory.values + past.values + next.values + logits).forEach { it.rewind() }
        val inputs =
            mapOf("token_ids" to arrayOf(intArrayOf(token)), "position" to intArrayOf(position)) +
                memory + past
        interpreter.runSignature(inputs, next + ("logits" to logits), DECODE)
        val written = past
        past = next
        next = written
        logits.rewind()
        val scores = logits.asFloatBuffer()
        return (0 until scores.remaining()).maxByOrNull { scores[it] }!!
    }

    private fun namesOf(signature: String) = interpreter.getSignatureInputs(signature).toList()

    private fun bufferOf(input: String): ByteBuffer {
        val tensor = interpreter.getInputTensorFromSignature(input, DECODE)
        check(tensor.dataType() in listOf(DataType.FLOAT32, DataType.INT32))
        return allocate(tensor.numBytes())
    }

    private fun allocate(numBytes: Int): ByteBuffer =
        ByteBuffer.allocateDirect(numBytes).order(ByteOrder.nativeOrder())

    private fun clear(buffer: ByteBuffer) {
        for (index in 0 until buffer.capacity()) buffer.put(index, 0)
    }

    override fun close() = interpreter.close()

    private companion object {
        const val ENCODE = "encode"
        const val DECODE = "decode"
    }
}
