"""Pictures and sounds: measured by their headers, handed over in every form, made ready to send."""
