/** Faces to start with. They are drawn by the course's own code: nobody looks like this. */
export const SAMPLES = [
  { address: "./samples/face-1.jpg", words: "Drawn face 1" },
  { address: "./samples/face-2.jpg", words: "Drawn face 2, with glasses" },
  { address: "./samples/face-3.jpg", words: "Drawn face 3, with a hat" },
  { address: "./samples/face-4.jpg", words: "Drawn face 4" },
];
