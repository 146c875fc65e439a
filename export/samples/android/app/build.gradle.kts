plugins {
    id("com.android.application") version "8.7.0"
    id("org.jetbrains.kotlin.android") version "2.0.21"
}

android {
    namespace = "org.example.bert"
    compileSdk = 35
    defaultConfig {
        applicationId = "org.example.bert"
        minSdk = 26
        targetSdk = 35
    }
    // The model is mapped into memory, which needs it as it is.
    androidResources { noCompress += "tflite" }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    kotlinOptions { jvmTarget = "17" }
}

dependencies {
    implementation("com.google.ai.edge.litert:litert:1.4.0")
}
