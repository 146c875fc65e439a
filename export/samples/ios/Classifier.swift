import Foundation
import TensorFlowLite

/// A classifier of `python -m export.export_tflite`: texts in, labels out.
///
/// The bundle holds `NAME.tflite` and `NAME.tflite.json`, which the export writes.
final class Classifier {
    private struct Description: Decodable {
        let task: String
        let labels: [String]
        let settings: Settings
        let max_seq_length: Int
        let tokenizer: Tokenizer.Settings
        let vocabulary: [String]
    }

    private struct Settings: Decodable {
        let pairs: Bool?
    }

    struct NotAClassifier: Error {
        let task: String
    }

    struct AsksForPairs: Error {}

    private let labels: [String]
    private let length: Int
    private let tokenizer: Tokenizer
    private let runner: SignatureRunner
    private let interpreter: Interpreter

    init(name: String, bundle: Bundle = .main) throws {
        let path = bundle.path(forResource: name, ofType: "tflite")!
        let file = URL(fileURLWithPath: path + ".json")
        let said = try JSONDecoder().decode(Description.self, from: Data(contentsOf: file))
        guard said.task == "classification" else { throw NotAClassifier(task: said.task) }
        if said.settings.pairs == true { throw AsksForPairs() }
        labels = said.labels
        length = said.max_seq_length
        tokenizer = Tokenizer(vocabulary: said.vocabulary, settings: said.tokenizer)
        var options = Interpreter.Options()
        options.threadCount = 2
        interpreter = try Interpreter(modelPath: path, options: options)
        runner = try interpreter.signatureRunner(with: "serving_default")
    }

    /// Returns the labels with their probabilities, the likeliest first.
    func classify(_ text: String) throws -> [(label: String, probability: Float)] {
        let packed = tokenizer.pack([tokenizer.tokenize(text)], length: length)
        let missing = length - packed.ids.count
        let padding = [Int32](repeating: 0, count: missing)
        let ids = packed.ids + [Int32](repeating: tokenizer.pad, count: missing)
        let mask = [Int32](repeating: 1, count: packed.ids.count) + padding
        let inputs = [
            "input_ids": ids, "input_mask": mask,
            "segment_ids": packed.segmentIds + padding,
        ]
        try runner.invoke(with: inputs.mapValues { $0.withUnsafeBytes { Data($0) } })
        // A file made with --mediapipe has gone all the way to `probabilities`.
        let output = runner.outputs[0]
        let values = try runner.output(named: output).data.withUnsafeBytes {
            Array($0.bindMemory(to: Float.self))
        }
        return zip(labels, output == "logits" ? softmax(values) : values)
            .map { (label: $0, probability: $1) }
            .sorted { $0.probability > $1.probability }
    }

    private func softmax(_ values: [Float]) -> [Float] {
        let most = values.max()!
        let powers = values.map { exp($0 - most) }
        let total = powers.reduce(0, +)
        return powers.map { $0 / total }
    }
}
