"""From a prompt to what is asked, and from what is answered to what a picture is pushed away from: text alone."""
