package telemetry

import (
	"fmt"
	"strconv"
)

// sampleRatio reads the sampler of the environment: which part of what has no
// sampled parent is traced. A trusted parent decides for itself whatever the
// sampler, so that those with and without "parentbased_" mean the same here.
// As the standard says, everything is traced if there is no sampler.
func sampleRatio(sampler, arg string) (float64, error) {
	switch sampler {
	case "", "always_on", "parentbased_always_on":
		if sampler == "" && arg != "" {
			break // the argument alone says enough
		}
		return 1, nil
	case "always_off", "parentbased_always_off":
		return 0, nil
	case "traceidratio", "parentbased_traceidratio":
		if arg == "" {
			return 1, nil
		}
	default:
		return 0, fmt.Errorf("OTEL_TRACES_SAMPLER is %q: want always_on, always_off, traceidratio, or one of these behind parentbased_", sampler)
	}
	ratio, err := strconv.ParseFloat(arg, 64)
	if err != nil || !(ratio >= 0 && ratio <= 1) {
		return 0, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG is %q: want a number from 0 to 1", arg)
	}
	return ratio, nil
}
