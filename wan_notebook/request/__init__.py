"""The one declaration of every parameter, and what cannot work before it is sent."""
