package org.example.bert

import android.content.Context
import java.io.Closeable
import java.io.FileInputStream
import java.nio.ByteBuffer
import java.nio.channels.FileChannel
import kotlin.math.exp
import org.json.JSONArray
import org.json.JSONObject
import org.tensorflow.lite.Interpreter

/**
 * A classifier of `python -m export.export_tflite`: texts in, labels out.
 *
 * Its assets are `NAME.tflite` and `NAME.tflite.json`, which the export writes.
 */
class Classifier(context: Context, name: String) : Closeable {
    private val description = JSONObject(
        context.assets.open("$name.tflite.json").bufferedReader().use { it.readText() },
    )

    init {
        val task = description.getString("task")
        require(task == "classification") { "This sample classifies; $name is for $task." }
        require(!description.getJSONObject("settings").optBoolean("pairs")) {
            "This sample asks for one text; $name is for pairs of texts."
        }
    }

    private val labels = description.getJSONArray("labels").strings()
    private val length = description.getInt("max_seq_length")
    private val tokenizer = description.getJSONObject("tokenizer").let {
        Tokenizer(
            description.getJSONArray("vocabulary").strings(),
            it.getBoolean("do_lower_case"),
            it.getBoolean("strip_accents"),
            it.getInt("max_bytes_per_word"),
        )
    }
    private val interpreter = Interpreter(
        map(context, "$name.tflite"),
        Interpreter.Options().setNumThreads(2),
    )
    // A file made with --mediapipe has gone all the way to `probabilities`.
    private val output = interpreter.getSignatureOutputs(SIGNATURE).single()

    /** Returns the labels with their probabilities, the likeliest first. */
    fun classify(text: String): List<Pair<String, Float>> {
        val packed = tokenizer.pack(listOf(tokenizer.tokenize(text)), length)
        val count = packed.ids.size
        val ids = IntArray(length) { if (it < count) packed.ids[it] else tokenizer.pad }
        val answers = arrayOf(FloatArray(labels.size))
        interpreter.runSignature(
            mapOf(
                "input_ids" to arrayOf(ids),
                "input_mask" to arrayOf(IntArray(length) { if (it < count) 1 else 0 }),
                "segment_ids" to arrayOf(packed.segmentIds.copyOf(length)),
            ),
            mapOf(output to answers),
            SIGNATURE,
        )
        val values = answers[0].asList()
        val probabilities = if (output == "logits") softmax(values) else values
        return labels.zip(probabilities).sortedByDescending { it.second }
    }

    override fun close() = interpreter.close()

    private fun softmax(values: List<Float>): List<Float> {
        val most = values.max()
        val powers = values.map { exp(it - most) }
        return powers.map { it / powers.sum() }
    }

    private fun map(context: Context, name: String): ByteBuffer =
        context.assets.openFd(name).use { file ->
            FileInputStream(file.fileDescriptor).channel.use {
                it.map(FileChannel.MapMode.READ_ONLY, file.startOffset, file.declaredLength)
            }
        }

    private companion object {
        const val SIGNATURE = "serving_default"
    }
}

private fun JSONArray.strings() = List(length()) { getString(it) }
