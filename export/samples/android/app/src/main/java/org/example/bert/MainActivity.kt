package org.example.bert

import android.app.Activity
import android.os.Bundle
import android.widget.Button
import android.widget.EditText
import android.widget.LinearLayout
import android.widget.TextView
import java.util.Locale
import java.util.concurrent.Executors

/** A text, a button, and what the model says. */
class MainActivity : Activity() {
    private val worker = Executors.newSingleThreadExecutor()
    private val classifier = lazy { Classifier(this, "model") }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        val text = EditText(this).apply { hint = "Text" }
        val answer = TextView(this)
        val ask = Button(this).apply { this.text = "Ask the model" }
        ask.setOnClickListener {
            val asked = text.text.toString()
            // The first call reads the model, which takes longer than a frame.
            worker.execute {
                val said = try {
                    classify(asked)
                } catch (error: Exception) {
                    "$error"
                }
                runOnUiThread { answer.text = said }
            }
        }
        setContentView(
            LinearLayout(this).apply {
                orientation = LinearLayout.VERTICAL
                fitsSystemWindows = true
                listOf(text, ask, answer).forEach(::addView)
            },
        )
    }

    override fun onDestroy() {
        worker.execute { if (classifier.isInitialized()) classifier.value.close() }
        worker.shutdown()
        super.onDestroy()
    }

    private fun classify(text: String) =
        classifier.value.classify(text).joinToString("\n") { (label, probability) ->
            String.format(Locale.ROOT, "%5.1f %%  %s", 100 * probability, label)
        }
}
