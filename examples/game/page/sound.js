// Sound makes its own waves. It is silent until somebody asks for it.
export class Sound {
  on = false;
  #audio = null;

  toggle() {
    this.on = !this.on;
    if (this.on) {
      this.#audio ??= new AudioContext();
      this.#audio.resume();
    }
    return this.on;
  }

  shot(near) { this.#tone("square", 620, 180, 0.09, 0.05 * near); }
  hit(near) { this.#noise(0.12, 1800, 0.16 * near); }
  boom(near) {
    this.#noise(0.6, 520, 0.4 * near);
    this.#tone("sine", 120, 32, 0.5, 0.35 * near);
  }
  pick(kind) {
    this.#tone("triangle", 620 + kind * 120, 620 + kind * 120, 0.07, 0.1);
    this.#tone("triangle", 930 + kind * 180, 930 + kind * 180, 0.12, 0.1, 0.06);
  }
  dash() { this.#noise(0.25, 2600, 0.1); }
  bounty() { [660, 880, 1320].forEach((f, i) => this.#tone("triangle", f, f, 0.16, 0.12, i * 0.09)); }

  #tone(type, from, to, length, loud, after = 0) {
    if (!this.on || loud < 0.004) return;
    const a = this.#audio;
    const t = a.currentTime + after;
    const wave = a.createOscillator();
    const gain = a.createGain();
    wave.type = type;
    wave.frequency.setValueAtTime(from, t);
    wave.frequency.exponentialRampToValueAtTime(to, t + length);
    gain.gain.setValueAtTime(loud, t);
    gain.gain.exponentialRampToValueAtTime(0.001, t + length);
    wave.connect(gain).connect(a.destination);
    wave.start(t);
    wave.stop(t + length);
  }

  #noise(length, pitch, loud) {
    if (!this.on || loud < 0.004) return;
    const a = this.#audio;
    const buffer = a.createBuffer(1, a.sampleRate * length, a.sampleRate);
    const data = buffer.getChannelData(0);
    for (let i = 0; i < data.length; i++) data[i] = (Math.random() * 2 - 1) * (1 - i / data.length) ** 2;
    const source = a.createBufferSource();
    const filter = a.createBiquadFilter();
    const gain = a.createGain();
    source.buffer = buffer;
    filter.type = "lowpass";
    filter.frequency.value = pitch;
    gain.gain.value = loud;
    source.connect(filter).connect(gain).connect(a.destination);
    source.start();
  }
}
