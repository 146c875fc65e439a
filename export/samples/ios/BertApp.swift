import SwiftUI

@main
struct BertApp: App {
    var body: some Scene {
        WindowGroup { ContentView() }
    }
}

/// A text, a button, and what the model says.
struct ContentView: View {
    @State private var text = ""
    @State private var answer = ""
    @State private var classifier: Classifier?

    var body: some View {
        VStack(alignment: .leading, spacing: 12) {
            TextField("Text", text: $text, axis: .vertical)
                .textFieldStyle(.roundedBorder)
            Button("Ask the model", action: ask)
            Text(answer).monospacedDigit()
            Spacer()
        }
        .padding()
    }

    private func ask() {
        do {
            let model = try classifier ?? Classifier(name: "model")
            classifier = model
            answer = try model.classify(text)
                .map { String(format: "%5.1f %%  ", 100 * $0.probability) + $0.label }
                .joined(separator: "\n")
        } catch {
            answer = "\(error)"
        }
    }
}
